/** Makes a picture of a screen small: a PNG of at most 256 colours. What a screen shows has few, and those stay as they are. */
import { deflateSync, inflateSync } from "node:zlib";

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const COLORS = 256;
const CRC = Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? 0xedb88320 ^ (crc >>> 1) : crc >>> 1;
  return crc >>> 0;
});

function chunk(name, data) {
  const body = Buffer.concat([Buffer.from(name, "latin1"), data]);
  let crc = 0xffffffff;
  for (const byte of body) crc = CRC[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  const framed = Buffer.alloc(body.length + 8);
  framed.writeUInt32BE(data.length, 0);
  body.copy(framed, 4);
  framed.writeUInt32BE((crc ^ 0xffffffff) >>> 0, body.length + 4);
  return framed;
}

/** The filter of PNG 1.2, chapter 6.6: the neighbour that is nearest to left + above - upper left. */
function paeth(left, above, corner) {
  const guess = left + above - corner;
  const [a, b, c] = [Math.abs(guess - left), Math.abs(guess - above), Math.abs(guess - corner)];
  return a <= b && a <= c ? left : b <= c ? above : corner;
}

/** The colours of a picture that the browser took, 0xRRGGBB each. */
function pixelsOf(png) {
  const parts = [];
  let header;
  for (let at = SIGNATURE.length; at < png.length; ) {
    const size = png.readUInt32BE(at);
    const name = png.toString("latin1", at + 4, at + 8);
    const data = png.subarray(at + 8, at + 8 + size);
    if (name === "IHDR") header = data;
    if (name === "IDAT") parts.push(data);
    at += size + 12;
  }
  const [width, height, depth, kind, interlace] = [header.readUInt32BE(0), header.readUInt32BE(4), header[8], header[9], header[12]];
  if (depth !== 8 || (kind !== 2 && kind !== 6) || interlace !== 0) throw new Error("not a picture as the browser takes them");
  const size = kind === 6 ? 4 : 3;
  const row = width * size;
  const raw = inflateSync(Buffer.concat(parts));
  const bytes = Buffer.alloc(row * height);
  for (let y = 0; y < height; y += 1) {
    const filter = raw[y * (row + 1)];
    for (let x = 0; x < row; x += 1) {
      const here = y * row + x;
      const left = x >= size ? bytes[here - size] : 0;
      const above = y > 0 ? bytes[here - row] : 0;
      const corner = x >= size && y > 0 ? bytes[here - row - size] : 0;
      const added = [0, left, above, (left + above) >> 1, filter === 4 ? paeth(left, above, corner) : 0][filter];
      bytes[here] = raw[y * (row + 1) + 1 + x] + added;
    }
  }
  const pixels = new Uint32Array(width * height);
  for (let at = 0; at < pixels.length; at += 1) pixels[at] = (bytes[at * size] << 16) | (bytes[at * size + 1] << 8) | bytes[at * size + 2];
  return { width, height, pixels };
}

const distance = (a, b) => {
  const [red, green, blue] = [(a >> 16) - (b >> 16), ((a >> 8) & 255) - ((b >> 8) & 255), (a & 255) - (b & 255)];
  return 2 * red * red + 4 * green * green + 3 * blue * blue;
};

/** The colours that are kept: the ones there are most of, and of what is left the ones farthest from all that are kept. */
function paletteOf(counts) {
  const common = [...counts].sort((a, b) => b[1] - a[1]).map(([color]) => color);
  const kept = common.slice(0, COLORS >> 1);
  const rest = common.slice(COLORS >> 1).map((color) => ({ color, gap: Math.min(...kept.map((one) => distance(one, color))) }));
  while (kept.length < COLORS && rest.length > 0) {
    let far = 0;
    for (let at = 1; at < rest.length; at += 1) if (rest[at].gap > rest[far].gap) far = at;
    const [{ color }] = rest.splice(far, 1);
    kept.push(color);
    for (const one of rest) one.gap = Math.min(one.gap, distance(color, one.color));
  }
  return kept;
}

/** The same picture in at most 256 colours. */
export function smallPng(png) {
  const { width, height, pixels } = pixelsOf(png);
  const counts = new Map();
  for (const color of pixels) counts.set(color, (counts.get(color) ?? 0) + 1);
  const palette = paletteOf(counts);
  const index = new Map(palette.map((color, at) => [color, at]));
  const nearest = (color) => {
    let best = 0;
    for (let at = 1; at < palette.length; at += 1) if (distance(palette[at], color) < distance(palette[best], color)) best = at;
    index.set(color, best);
    return best;
  };
  const rows = Buffer.alloc((width + 1) * height);
  for (let at = 0; at < pixels.length; at += 1) {
    rows[Math.floor(at / width) * (width + 1) + 1 + (at % width)] = index.get(pixels[at]) ?? nearest(pixels[at]);
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header[8] = 8;
  header[9] = 3;
  const colors = Buffer.from(palette.flatMap((color) => [color >> 16, (color >> 8) & 255, color & 255]));
  return Buffer.concat([
    SIGNATURE, chunk("IHDR", header), chunk("PLTE", colors), chunk("IDAT", deflateSync(rows, { level: 9 })), chunk("IEND", Buffer.alloc(0)),
  ]);
}
