import type { Epoch } from '../event/cursor.ts';
import { assertNever } from '../event/errors.ts';
import type { LaneFormat } from '../messages/control.ts';
import type { Encoder } from './encoder.ts';
import { IsuladGrpcEncoder } from './isulad-grpc.ts';
import { NativeJsonEncoder } from './native-json.ts';

/** The record itself: for subscribers that read packed records. */
const packedEncoder: Encoder = {
  maxBytes: (recordBytes) => recordBytes,
  encode(event, out, pos) {
    const { at, byteLength } = event;
    out.set(event.bytes.subarray(at, at + byteLength), pos);
    return pos + byteLength;
  },
};

export function makeEncoder(format: LaneFormat, epoch: Epoch): Encoder {
  switch (format) {
    case 'json-chunked':
      return new NativeJsonEncoder(epoch, 'chunked');
    case 'json-plain':
      return new NativeJsonEncoder(epoch, 'plain');
    case 'isulad-grpc':
      return new IsuladGrpcEncoder();
    case 'packed':
      return packedEncoder;
    default:
      return assertNever(format);
  }
}
