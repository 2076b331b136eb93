import { describe, expect, it } from 'vitest';
import { DownloadPlaces, MOST_DOWNLOADS } from './download-places.js';

const { altogether, ofMember } = MOST_DOWNLOADS;

describe('DownloadPlaces', () => {
  it('gives a member few, so that none takes them all', () => {
    const places = new DownloadPlaces();
    const ends = Array.from({ length: ofMember }, () => places.take('mem_a'));
    expect(() => places.take('mem_a')).toThrow(expect.objectContaining({ code: 'too-many-downloads' }));
    expect(() => places.take('mem_b')).not.toThrow();
    ends[0]!();
    ends[0]!();
    expect(() => places.take('mem_a')).not.toThrow();
    expect(() => places.take('mem_a')).toThrow(expect.objectContaining({ code: 'too-many-downloads' }));
  });

  it('has so many altogether, and room again when one has ended', () => {
    const places = new DownloadPlaces();
    const ends = Array.from({ length: altogether }, (_, at) => places.take(`mem_${at}`));
    expect(() => places.take('mem_other')).toThrow(expect.objectContaining({ code: 'too-many-downloads' }));
    for (const end of ends) end();
    expect(() => places.take('mem_other')).not.toThrow();
  });
});
