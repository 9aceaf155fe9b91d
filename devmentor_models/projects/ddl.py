"""What the tables of the ``projects`` schema need beside themselves: SQL for revisions and tests."""

from __future__ import annotations

#: Remembers the storage key of every file version whose row goes, also by a cascade (S3).
# SECURITY DEFINER: whoever erases a user may not write to this service's table, and need not.
CREATE_STORAGE_ORPHANS = (
    """
CREATE FUNCTION projects.remember_storage_key() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  INSERT INTO projects.storage_orphans (storage_bucket, storage_key)
  VALUES (OLD.storage_bucket, OLD.storage_key)
  ON CONFLICT (storage_bucket, storage_key) DO NOTHING;
  RETURN NULL;
END $$
""",
    "REVOKE EXECUTE ON FUNCTION projects.remember_storage_key() FROM PUBLIC",
    """
CREATE TRIGGER remember_storage_key AFTER DELETE ON projects.project_file_versions
FOR EACH ROW EXECUTE FUNCTION projects.remember_storage_key()
""",
)

DROP_STORAGE_ORPHANS = (
    "DROP TRIGGER IF EXISTS remember_storage_key ON projects.project_file_versions",
    "DROP FUNCTION IF EXISTS projects.remember_storage_key()",
)
