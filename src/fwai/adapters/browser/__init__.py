"""Browser calls: talk to an agent over WebRTC from a web page."""
