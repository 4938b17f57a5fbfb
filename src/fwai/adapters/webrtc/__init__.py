"""Caller leg over WebRTC: ICE, DTLS and SRTP by aiortc; RTP, jitter buffer and Opus by us.

Import `fwai.adapters.webrtc.peer` only where it is needed: aiortc costs 34 MB.
"""
