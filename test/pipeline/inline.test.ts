import { describeBadInput } from './bad-input.suite.ts';
import { describePipeline } from './pipeline.suite.ts';
import { describePublish } from './publish.suite.ts';

describePipeline('inline');
describeBadInput('inline');
describePublish('inline');
