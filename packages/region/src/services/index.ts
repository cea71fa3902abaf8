/** Every service of the region. To add one: its folder, and one line here. */
import type { Service } from './common/service.ts';
import { stsService } from './sts/index.ts';

export const services: readonly Service[] = [stsService];
