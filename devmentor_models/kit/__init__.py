"""Building blocks that know no domain: base classes, column types, repositories, paging."""
