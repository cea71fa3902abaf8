/** Faults: what they are, how they come and go, and what they mean. */
export { type Fault, type FaultKind, type FaultSpec, type FaultTarget, faultKinds, faults } from './fault.ts';
export { clearFault, clearFaults, type FaultRequest, injectFault } from './inject.ts';
