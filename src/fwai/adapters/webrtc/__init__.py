"""The caller's leg over WebRTC: ICE, DTLS and SRTP by aiortc, everything about sound by us.

Import `fwai.adapters.webrtc.peer` only where it is needed: aiortc costs 34 MB.
"""
