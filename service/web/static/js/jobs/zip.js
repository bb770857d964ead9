// Writer of zip files without compression, because images are compressed already.

const MAX_FILES = 65_535;
const MAX_BYTES = 0xffff_ffff;
const UTF8_NAMES = 0x0800;
const TABLE = Uint32Array.from({ length: 256 }, (_, start) => {
  let value = start;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value >>> 0;
});

/**
 * Pack files; they stay on the disk, and only one at a time is in memory.
 *
 * @param {{path: string, file: File}[]} files
 * @returns {Promise<Blob>}
 * @throws {RangeError} there are too many files or bytes for a zip without extensions
 */
export async function packed(files) {
  if (files.length > MAX_FILES) throw new RangeError(`A folder of ${files.length} files cannot be sent at once: the limit is ${MAX_FILES}.`);
  const contents = [];
  const directory = [];
  let offset = 0;
  for (const { path, file } of files) {
    const name = new TextEncoder().encode(path);
    const about = [UTF8_NAMES, 0, 0, 0x21, crc32(new Uint8Array(await file.arrayBuffer())), file.size, file.size, name.length, 0];
    const local = record("PK\x03\x04", [2, 2, 2, 2, 2, 4, 4, 4, 2, 2], [20, ...about]);
    contents.push(local, name, file);
    directory.push(record("PK\x01\x02", [2, 2, 2, 2, 2, 2, 4, 4, 4, 2, 2, 2, 2, 2, 4, 4], [20, 20, ...about, 0, 0, 0, 0, offset]), name);
    offset += local.length + name.length + file.size;
    if (offset > MAX_BYTES) throw new RangeError("The folder has more than 4 GB: send it in smaller parts.");
  }
  const size = directory.reduce((sum, part) => sum + part.length, 0);
  const end = record("PK\x05\x06", [2, 2, 2, 2, 4, 4, 2], [0, 0, files.length, files.length, size, offset, 0]);
  return new Blob([...contents, ...directory, end], { type: "application/zip" });
}

/** Signature and little-endian numbers of these sizes in bytes. */
function record(signature, sizes, values) {
  const bytes = new Uint8Array(4 + sizes.reduce((sum, size) => sum + size, 0));
  for (let index = 0; index < 4; index++) bytes[index] = signature.charCodeAt(index);
  const view = new DataView(bytes.buffer);
  let at = 4;
  for (const [index, size] of sizes.entries()) {
    if (size === 2) view.setUint16(at, values[index], true);
    else view.setUint32(at, values[index], true);
    at += size;
  }
  return bytes;
}

function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = TABLE[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}
