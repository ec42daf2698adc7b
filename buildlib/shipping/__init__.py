"""What happens to what was built: releases, and the removal of what is old."""
