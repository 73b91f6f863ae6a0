// A Vulkan in software, on which WebGPU runs without a graphics card; tests of it are left out where there is none.
import { existsSync, globSync } from 'node:fs';

/** SwiftShader comes with Debian's Chromium. Mesa's lavapipe does as well from version 25 on; that of Debian 12 is too old. */
const drivers = [
  '/usr/lib/chromium/vk_swiftshader_icd.json',
  '/usr/lib/chromium-browser/vk_swiftshader_icd.json',
];
const driver = process.env.VK_ICD_FILENAMES ?? drivers.find((file) => existsSync(file));
const loaders = globSync([
  '/usr/lib/*/libvulkan.so.1',
  '/usr/lib64/libvulkan.so.1',
  '/usr/lib/libvulkan.so.1',
]);

function missing(): string | undefined {
  if (loaders.length === 0) return "no libvulkan.so.1 (Debian's package libvulkan1)";
  return driver === undefined ? "no SwiftShader (Debian's package chromium)" : undefined;
}

const reason = missing();
if (reason !== undefined) console.warn(`The tests of WebGPU are left out: ${reason} on this machine.`);

/** Environment in which WebGPU finds the driver; undefined where there is none. */
export const vulkanEnvironment: Readonly<Record<string, string>> | undefined =
  reason === undefined ? { VK_ICD_FILENAMES: driver! } : undefined;

/** What is appended to the name of tests that are left out. */
export const withoutVulkan = reason === undefined ? '' : ` (left out: ${reason})`;
