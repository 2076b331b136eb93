/** Splits Prisma's `schema` parameter off a connection URL: PostgreSQL itself does not know it. */
export function parseConnection(raw) {
  const url = new URL(raw);
  const schema = url.searchParams.get('schema') ?? undefined;
  url.searchParams.delete('schema');
  return { url: url.toString(), schema, database: decodeURIComponent(url.pathname.slice(1)), host: url.host };
}

/** The same server, another database. */
export function withDatabase(raw, database) {
  const url = new URL(parseConnection(raw).url);
  url.pathname = `/${encodeURIComponent(database)}`;
  return url.toString();
}
