"""The only database: three schemas, one projector that writes the projection, and the queries of the API."""
