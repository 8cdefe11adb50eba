"""A request that is sent again because its answer did not come is not counted again."""
