"""`graphql.*`: GraphQL documents as gqlparser v2.5 (which OPA uses) reads and validates them."""
