"""The registry as a store that machines share: entries found, brought and published by key."""
