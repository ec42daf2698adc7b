"""The registry as a store that machines share: entries found, pulled and published by key."""
