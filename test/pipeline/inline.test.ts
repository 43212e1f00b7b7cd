import { describeBadInput } from './bad-input.suite.ts';
import { describePipeline } from './pipeline.suite.ts';

describePipeline('inline');
describeBadInput('inline');
