// Which class a file belongs to: class folders stand side by side, named by numbers or in the order of their names.
import { checkClasses, checkExamples } from './check-upload.ts';
import { invalidUpload, type UploadLimits, type UploadOptions } from './upload.ts';

const imageEnding = /\.(png|jpe?g|ppm|pgm)$/i;
/** What people and systems put beside images: notes, lists and licences, previews. */
const besides = /^(readme.*|licen[cs]e.*|thumbs\.db|desktop\.ini|.*\.(txt|md|csv|json))$/i;

/** What a path in the archive is; `hidden-image` is left out where it is no image but a note that macOS keeps of one. */
export type PathKind = 'example' | 'hidden-image' | 'ignored';

/**
 * Tells an example from what lies beside the examples.
 * @throws GuardError `invalid_dataset` where it is neither
 */
export function kindOfPath(path: string, archive: string): PathKind {
  const parts = path.split('/');
  const isImage = imageEnding.test(path);
  if (parts.some(isHidden)) return isImage ? 'hidden-image' : 'ignored';
  if (isImage) return 'example';
  if (besides.test(parts.at(-1)!)) return 'ignored';
  throw invalidUpload(`${path} in ${archive} is no PNG, JPEG or PPM file`);
}

/** Magic number of AppleDouble files, in which macOS keeps what it knows of a file beside it (RFC 1740, appendix A). */
const appleDouble = [0x00, 0x05, 0x16, 0x07];

/**
 * Refuses a hidden image: training may read what a listing does not show, so it is not left out of the screening.
 * @throws GuardError `invalid_dataset`
 */
export function checkHiddenImage(bytes: Uint8Array, name: string): void {
  if (appleDouble.every((byte, index) => bytes[index] === byte)) return;
  throw invalidUpload(`${name} is hidden and an image by its name; only notes of macOS are left out`);
}

/** Classes of an archive. */
export interface ClassFolders {
  /** Label of the file at this path, which was added. */
  labelOf(path: string): number;
  /** Names by label; the label itself where it has no folder. */
  readonly names: readonly string[];
  /** Examples by label. */
  readonly counts: readonly number[];
}

/** Class folders while an archive is read. */
export interface FolderCollection {
  /** Adds a folder as such: it may turn out to be a class without examples. */
  addFolder(path: string): void;
  /**
   * Adds an example.
   * @throws GuardError `invalid_dataset` where it lies in no class folder, or deeper or elsewhere than the others
   */
  addExample(path: string): void;
  /**
   * Gives the folders their labels, when all was added.
   * @throws GuardError where there are no examples or too many, a folder has none, or the folders do not fit the model
   */
  close(): ClassFolders;
}

/** What labels are given by. */
interface Collected {
  readonly archive: string;
  readonly options: UploadOptions;
  readonly limits: UploadLimits;
  /** Examples by name of the class folder. */
  readonly examples: ReadonlyMap<string, number>;
  /** Names of the folders that stand where class folders do, with or without examples. */
  readonly folders: readonly string[];
}

/** Begins to collect the class folders of an archive. */
export function collectFolders(
  archive: string,
  { options, limits }: { options: UploadOptions; limits: UploadLimits },
): FolderCollection {
  const examples = new Map<string, number>();
  const folders = new Set<string>();
  /** Folder in which the class folders stand, of the first example. */
  let parent: string | undefined;
  const checkNumber = (count: number) => {
    if (count > limits.classes) throw invalidUpload(`${archive} has more than ${limits.classes} folders`);
  };
  return {
    addFolder(path) {
      if (path === '' || path.split('/').some(isHidden)) return;
      folders.add(path);
      checkNumber(folders.size);
    },
    addExample(path) {
      const place = placeOf(path);
      if (place.folder === '') throw invalidUpload(`${path} in ${archive} lies in no class folder`);
      parent ??= place.parent;
      if (place.parent !== parent) {
        throw invalidUpload(
          `${path} in ${archive} lies in a folder of ${place.parent || 'the top'}, other examples in folders of ${parent || 'the top'}: class folders stand side by side`,
        );
      }
      examples.set(place.folder, (examples.get(place.folder) ?? 0) + 1);
      checkNumber(examples.size);
    },
    close() {
      const places = [...folders].map((path) => placeOf(`${path}/`));
      const beside = places.filter((place) => place.parent === parent).map(({ folder }) => folder);
      return closeFolders({ archive, options, limits, examples, folders: beside });
    },
  };
}

function closeFolders(collected: Collected): ClassFolders {
  const { archive, examples, limits } = collected;
  const count = [...examples.values()].reduce((sum, folder) => sum + folder, 0);
  checkExamples(count, archive, limits);
  const isNumbered = [...examples.keys()].every((folder) => /^\d+$/.test(folder));
  const labels = isNumbered ? numberedLabels(collected) : sortedLabels(collected);
  const length = Math.max(...labels.values()) + 1;
  const names = Array.from({ length }, (_, label) => String(label));
  const counts = names.map(() => 0);
  for (const [folder, label] of labels) {
    names[label] = folder;
    counts[label] = examples.get(folder)!;
  }
  checkClasses(counts, archive);
  return { labelOf: (path) => labels.get(placeOf(path).folder)!, names, counts };
}

function numberedLabels({ archive, examples, options, limits }: Collected): Map<string, number> {
  const classes = options.classes ?? limits.classes;
  const folderOf = new Map<number, string>();
  for (const folder of examples.keys()) {
    const label = Number(folder);
    if (label >= classes) {
      throw invalidUpload(`${archive} has the class folder ${folder}; labels go up to ${classes - 1}`);
    }
    const other = folderOf.get(label);
    if (other !== undefined) {
      throw invalidUpload(`${archive} has two folders of class ${label}: ${other} and ${folder}`);
    }
    folderOf.set(label, folder);
  }
  return new Map([...folderOf].map(([label, folder]) => [folder, label]));
}

function sortedLabels({ archive, examples, folders, options }: Collected): Map<string, number> {
  // A class without examples would shift the labels of those behind it.
  const empty = folders.find((folder) => !examples.has(folder));
  if (empty !== undefined) throw invalidUpload(`the class folder ${empty} in ${archive} has no examples`);
  if (options.classes !== undefined && examples.size !== options.classes) {
    throw invalidUpload(
      `${archive} has ${examples.size} class folders, the model ${options.classes} classes: labels are the places of the folders' names in their order, unless all are numbers`,
    );
  }
  return new Map([...examples.keys()].toSorted().map((folder, label) => [folder, label]));
}

function placeOf(path: string): { parent: string; folder: string } {
  const parts = path.split('/');
  return { parent: parts.slice(0, -2).join('/'), folder: parts.at(-2) ?? '' };
}

function isHidden(part: string): boolean {
  return part.startsWith('.') || part === '__MACOSX';
}
