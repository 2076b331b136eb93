// A gateway image that is broken: it ends as soon as it starts.
process.exit(7);
