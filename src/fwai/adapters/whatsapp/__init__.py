"""WhatsApp: Business Calling and messages over Meta's Graph API."""
