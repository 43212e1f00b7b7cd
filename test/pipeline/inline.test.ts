import { describeBadInput } from './bad-input.suite.ts';
import { describePipeline } from './pipeline.suite.ts';
import { describePublish } from './publish.suite.ts';
import { describeDocker } from './docker.suite.ts';
import { describeHistory } from './history.suite.ts';
import { describeListeners } from './listeners.suite.ts';
import { describeRedaction } from './redaction.suite.ts';
import { describeResume } from './resume.suite.ts';
import { describeSources } from './sources.suite.ts';

describePipeline('inline');
describeBadInput('inline');
describePublish('inline');
describeResume('inline');
describeRedaction('inline');
describeDocker('inline');
describeHistory('inline');
describeSources('inline');
describeListeners('inline');
