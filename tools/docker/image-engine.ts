import type Docker from 'dockerode';

interface Progress {
  readonly stream?: string;
  readonly status?: string;
  readonly error?: string;
}

/** Reads a build, pull or import to its end; a failure inside the stream (the answer was 200 already) becomes an error. */
export async function untilDone(stream: NodeJS.ReadableStream, onProgress: (line: string) => void): Promise<void> {
  let rest = '';
  const take = (line: string) => {
    if (line.trim() === '') return;
    const progress = JSON.parse(line) as Progress;
    if (progress.error) throw new Error(progress.error);
    onProgress((progress.stream ?? progress.status ?? '').trim());
  };
  for await (const chunk of stream) {
    const lines = (rest + String(chunk)).split('\n');
    rest = lines.pop() ?? '';
    lines.forEach(take);
  }
  take(rest);
}

export async function findImage(docker: Docker, reference: string): Promise<Docker.ImageInspectInfo | undefined> {
  try {
    return await docker.getImage(reference).inspect();
  } catch (error) {
    if ((error as { statusCode?: number }).statusCode === 404) return undefined;
    throw error;
  }
}
