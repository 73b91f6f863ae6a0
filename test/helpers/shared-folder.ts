// Where the models and data sets lie that are not part of the repository.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('../../../shared/', import.meta.url));

/** The folder, with a slash at its end; undefined where it is absent and the tests that need it are skipped. */
export const sharedFolder: string | undefined = existsSync(`${folder}models`) ? folder : undefined;
