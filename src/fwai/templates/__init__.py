"""Message templates: e-mails, and WhatsApp's approved templates."""
