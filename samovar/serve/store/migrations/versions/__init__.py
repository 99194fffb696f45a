"""One module for each change of the schema, in order; what was released is never changed again."""
