import fs from 'node:fs/promises';
import { constants } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type ContainerRecord,
  encodeContainerRecord,
  encodeImageRecord,
  type ImageRecord,
} from '../codec/monitor-record.ts';
import { asTocsinError, TocsinError } from '../event/errors.ts';

const RETRY_MS = 5;
const RETRY_LIMIT_MS = 5_000;

/**
 * Sends one container event over a monitor FIFO, as iSulad's own function of that name does, but with an answer: it waits at
 * most 5 s for a full pipe and says when nobody reads.
 * @throws ERR_STATE_UNKNOWN, ERR_EVENT_INVALID, ERR_FIFO_NO_READER, ERR_FIFO_MISSING, ERR_FIFO_NOT_A_FIFO, ERR_FIFO_FULL
 */
export async function sendContainerEvent(fifoPath: string, record: ContainerRecord): Promise<void> {
  await sendRecord(fifoPath, encodeContainerRecord(record));
}

/** Sends one image event. @throws as sendContainerEvent */
export async function sendImageEvent(fifoPath: string, record: ImageRecord): Promise<void> {
  await sendRecord(fifoPath, encodeImageRecord(record));
}

async function sendRecord(path: string, record: Uint8Array): Promise<void> {
  const file = await open(path);
  try {
    if (!(await file.stat()).isFIFO()) throw new TocsinError('ERR_FIFO_NOT_A_FIFO', `${path} is not a FIFO`);
    const deadline = performance.now() + RETRY_LIMIT_MS;
    // 596 bytes are less than PIPE_BUF: a write takes all or nothing, and records of different senders never mix.
    while (!(await tryWrite(file, path, record))) {
      if (performance.now() > deadline) {
        throw new TocsinError('ERR_FIFO_FULL', `${path} stayed full for ${RETRY_LIMIT_MS} ms`);
      }
      await sleep(RETRY_MS);
    }
  } finally {
    await file.close();
  }
}

async function open(path: string): Promise<fs.FileHandle> {
  try {
    return await fs.open(path, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENXIO') throw new TocsinError('ERR_FIFO_NO_READER', `nobody reads ${path}`, { cause: error });
    if (code === 'ENOENT') throw new TocsinError('ERR_FIFO_MISSING', `there is no FIFO at ${path}`, { cause: error });
    if (code === 'EISDIR') throw new TocsinError('ERR_FIFO_NOT_A_FIFO', `${path} is a folder`, { cause: error });
    throw asTocsinError(error, 'ERR_FIFO_UNUSABLE');
  }
}

async function tryWrite(file: fs.FileHandle, path: string, record: Uint8Array): Promise<boolean> {
  try {
    await file.write(record, 0, record.length, null);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EAGAIN') return false;
    if (code === 'EPIPE')
      throw new TocsinError('ERR_FIFO_NO_READER', `the reader of ${path} went away`, { cause: error });
    throw asTocsinError(error, 'ERR_FIFO_UNUSABLE');
  }
}
