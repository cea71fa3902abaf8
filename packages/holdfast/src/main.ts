/** Where Node begins: the command line itself is loaded after this, so that its compiled form can be kept from run to run. */
import { enableCompileCache } from 'node:module';

enableCompileCache();
await import('./cli.ts');
