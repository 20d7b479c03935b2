"""Pages that work without JavaScript: sign-in and set-up."""
