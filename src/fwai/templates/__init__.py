"""Texts with gaps: WhatsApp's approved templates, e-mails."""
