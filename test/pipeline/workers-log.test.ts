import { describeHistory } from './history.suite.ts';
import { describeListeners } from './listeners.suite.ts';
import { describeRedaction } from './redaction.suite.ts';
import { describeRemote } from './remote.suite.ts';
import { describeResume } from './resume.suite.ts';
import { describeSources } from './sources.suite.ts';

describeHistory('workers');
describeListeners('workers');
describeRedaction('workers');
describeResume('workers');
describeSources('workers');
describeRemote('workers');
