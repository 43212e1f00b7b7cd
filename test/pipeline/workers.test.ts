import { describeBadInput } from './bad-input.suite.ts';
import { describeLimits } from './limits.suite.ts';
import { describePipeline } from './pipeline.suite.ts';
import { describePublish } from './publish.suite.ts';
import { describeDocker } from './docker.suite.ts';

// Half of what is tried on threads; the other half is workers-log.test.ts. So the two take the time of one.
describeBadInput('workers');
describePipeline('workers');
describePublish('workers');
describeDocker('workers');
describeLimits('workers');
