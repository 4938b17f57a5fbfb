"""A simulated Meta: WhatsApp users, WebRTC media, webhooks and the Graph API."""
