"""What several tests share: how the recipe and its scripts are started, and what is made once for all tests."""
