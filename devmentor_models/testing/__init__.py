"""What services import in their own tests: factories, and a pytest plugin with a real PostgreSQL."""
