import { describeBadInput } from './bad-input.suite.ts';
import { describePipeline } from './pipeline.suite.ts';

describePipeline('workers');
describeBadInput('workers');
