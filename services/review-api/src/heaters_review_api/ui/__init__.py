"""What browsers are sent. `app` is the review desk, built by `make setup` from the TypeScript in services/review-api/ui; `static` are the
pages that need no script of its: signing in, and the API's documentation."""
