// What the first NVIDIA card calls itself, as its driver says.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const driverFolder = '/proc/driver/nvidia/gpus';

/** Name of the first card; a container may hide it from the process, which then says so. */
export function cudaDevice(folder = driverFolder): string {
  try {
    for (const card of readdirSync(folder).sort()) {
      const text = readFileSync(join(folder, card, 'information'), 'utf8');
      const model = /^Model:\s*(\S.*)$/m.exec(text)?.[1];
      if (model !== undefined) return model.trim();
    }
  } catch {
    // Without the driver's folder there is nothing to read; the card may be usable all the same.
  }
  return 'NVIDIA card, which its driver does not name';
}
