// What `detector calibrate` says of a sequential test.
import type { SequentialTest } from '../../shared/contracts/detector-artefact.ts';

/** The part of a sequential test that is worth printing. */
export function sequentialSummary({ stages, threshold, clean_copies }: SequentialTest) {
  return {
    stages: stages.map(({ runs, doubt, mlp }) => ({ runs, doubt, parameters: mlp.parameters })),
    threshold,
    clean_copies,
  };
}

/** The same for a person. */
export function sequentialText({ stages, threshold, clean_copies: copies }: SequentialTest): string {
  let seen = -1;
  const lines = stages.map(({ runs, doubt }, index) => {
    seen += runs.length;
    const bound = (value: number | null) => (value === null ? 'any' : value.toFixed(3));
    const until =
      doubt === undefined ? 'decides' : `in doubt from ${bound(doubt.lower)} to ${bound(doubt.upper)}`;
    return `  stage ${index}: ${seen} copies (${runs.join(', ')}), ${until}`;
  });
  return [
    `sequential test of ${stages.length} stages, ${copies.toFixed(2)} copies a clean input on average`,
    ...lines,
    `  threshold ${threshold.value.toFixed(4)} for a false positive rate of ${100 * threshold.target_fpr} %`,
  ].join('\n');
}
