/**
 * Takes the framing of HTTP/1.1 off a body that node:http writes (RFC 9112, sections 6 and 7). Bytes past its end are an error: on a
 * connection they would be read as another request.
 */
import { invalidRequest, type BodyFraming } from './request-head.ts';

/** Digits of a chunk's size: more than any chunk has. */
const maxSizeLine = 64;
/** Of a trailer section, which is read and left out. */
const maxTrailerLine = 65_536;

const lineFeed = 10;

/** Where it stands in a chunked body. */
type ChunkPart = 'size' | 'data' | 'data-end' | 'trailer';

/** A body that arrives in pieces of any size. */
export class FramedBody {
  private readonly framing: BodyFraming;
  /** Bytes of the body, or of the chunk, that are still to come. */
  private remaining: number;
  private part: ChunkPart = 'size';
  private line = '';
  /** The last byte that belongs to it was there. */
  isComplete: boolean;

  constructor(framing: BodyFraming, contentLength: number) {
    this.framing = framing;
    this.remaining = contentLength;
    this.isComplete = framing === 'none';
  }

  /** Hands on what of `bytes` is content. Throws MESH_REQUEST_INVALID where the framing is broken. */
  read(bytes: Buffer, take: (content: Buffer) => void): void {
    if (bytes.length === 0) return;
    if (this.isComplete)
      throw invalidRequest(`more was written than its ${this.framing === 'none' ? 'head' : this.framing} says`);
    if (this.framing === 'open') take(bytes);
    else if (this.framing === 'length') {
      if (bytes.length > this.remaining) throw invalidRequest('its body is longer than its content-length');
      this.remaining -= bytes.length;
      this.isComplete = this.remaining === 0;
      take(bytes);
    } else this.readChunks(bytes, take);
  }

  /** The program has written all that it will. Throws MESH_REQUEST_INVALID where something is missing. */
  end(): void {
    if (this.framing === 'open') this.isComplete = true;
    if (this.isComplete) return;
    throw invalidRequest(
      this.framing === 'length' ? `its body ended ${this.remaining} bytes too soon` : 'its last chunk is missing',
    );
  }

  private readChunks(bytes: Buffer, take: (content: Buffer) => void): void {
    let position = 0;
    while (position < bytes.length) {
      if (this.isComplete) throw invalidRequest('something was written after its last chunk');
      if (this.part === 'data') {
        const end = Math.min(bytes.length, position + this.remaining);
        take(bytes.subarray(position, end));
        this.remaining -= end - position;
        position = end;
        if (this.remaining === 0) this.part = 'data-end';
      } else {
        const feed = bytes.indexOf(lineFeed, position);
        const end = feed === -1 ? bytes.length : feed + 1;
        this.line += bytes.toString('latin1', position, end);
        position = end;
        if (this.line.length > (this.part === 'trailer' ? maxTrailerLine : maxSizeLine)) throw brokenChunk();
        if (feed !== -1) this.readLine();
      }
    }
  }

  private readLine(): void {
    const { line } = this;
    this.line = '';
    if (!line.endsWith('\r\n')) throw brokenChunk();
    if (this.part === 'data-end') {
      if (line.length !== 2) throw brokenChunk();
      this.part = 'size';
    } else if (this.part === 'trailer') {
      if (line.length === 2) this.isComplete = true;
    } else {
      const digits = line.slice(0, -2);
      if (!/^[\da-f]{1,13}$/i.test(digits)) throw brokenChunk();
      this.remaining = Number.parseInt(digits, 16);
      this.part = this.remaining === 0 ? 'trailer' : 'data';
    }
  }
}

function brokenChunk(): Error {
  return invalidRequest('its chunks are not as its transfer-encoding says');
}
