import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { HistoryFolder } from '../../../src/runtime/history-folder.ts';
import { SimulatedDisk } from '../../simulation/simulated-disk.ts';
import { describeDisk } from './disk.suite.ts';

describeDisk('A folder', () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tocsin-disk-'));
  const disk = new HistoryFolder(folder);
  return {
    disk,
    endSyncs: () => {},
    dispose: () => {
      disk.close();
      fs.rmSync(folder, { recursive: true });
    },
  };
});

describeDisk('The simulated disk', () => {
  const disk = new SimulatedDisk();
  return { disk, endSyncs: () => disk.syncs.forEach((end) => end()), dispose: () => {} };
});
