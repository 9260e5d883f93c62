"""Networks that were found, or come from elsewhere, as programs and files: chosen, written, compared."""
