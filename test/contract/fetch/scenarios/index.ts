import type { Scenario } from '../scenario.ts';
import { abortScenarios } from './aborts.ts';
import { encodingScenarios } from './encodings.ts';
import { failureScenarios } from './failures.ts';
import { headerScenarios } from './headers.ts';
import { inputScenarios } from './inputs.ts';
import { readerScenarios } from './reading.ts';
import { redirectScenarios } from './redirects.ts';
import { requestScenarios } from './requests.ts';
import { responseScenarios } from './responses.ts';

export const scenarios: readonly Scenario[] = [
  ...requestScenarios,
  ...headerScenarios,
  ...inputScenarios,
  ...responseScenarios,
  ...readerScenarios,
  ...encodingScenarios,
  ...redirectScenarios,
  ...abortScenarios,
  ...failureScenarios,
];
