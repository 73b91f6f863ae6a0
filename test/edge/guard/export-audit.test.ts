// An export reads no page before somebody reads the one before it, and none for a reader that has gone.
import { expect, it, vi } from 'vitest';
import type { AuditEntry, AuditStore } from '../../../edge/clients/audit-store.ts';
import { exportAudit } from '../../../edge/guard/export-audit.ts';
import { importNoiseKeyHex } from '../../../shared/noise/noise-key.ts';
import { emptyVerdict } from '../../helpers/empty-verdict.ts';

const entry: AuditEntry = {
  model: 'm',
  principal: null,
  requestDigest: `sha256:${'0'.repeat(64)}`,
  verdict: emptyVerdict,
};

async function start(list: AuditStore['list']) {
  const noiseKey = await importNoiseKeyHex('5a'.repeat(32));
  const product = { name: 'p', version: '1' };
  const audit = { list } as AuditStore;
  return exportAudit({ filter: {}, after: undefined, product }, { audit, noiseKey }).getReader();
}

it('goes at the pace of its reader', async () => {
  const list = vi.fn(async () => Array.from({ length: 200 }, () => entry));
  const reader = await start(list);
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(list).toHaveBeenCalledTimes(0);
  for (const reads of [1, 2, 3]) {
    await reader.read();
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(list).toHaveBeenCalledTimes(reads);
  }
  await reader.cancel();
  expect(list).toHaveBeenCalledTimes(3);
});

it('breaks off where the database does, and does not end as if that were all', async () => {
  const list = vi.fn(async () => Array.from({ length: 200 }, () => entry));
  const reader = await start(list);
  await reader.read();
  list.mockRejectedValueOnce(new Error('gone'));
  await expect(reader.read()).rejects.toThrow('gone');
});
