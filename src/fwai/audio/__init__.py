"""Audio processing: codecs, resampling, playout pacing, speech detection. No I/O, no clock."""
