/** Most bytes of one agent's folder; null: its tier sets no limit, or is of before there were any. */
export function diskLimitOf(tier: { readonly resources: unknown } | null | undefined): number | null {
  const { diskMb } = (tier?.resources ?? {}) as { diskMb?: number | null };
  return typeof diskMb === 'number' ? diskMb * 1024 * 1024 : null;
}
