#!/bin/sh
# Speak the sentences that are said without the model again: src/fwai/calls/sentences/*.ulaw and
# sentences.json, which is also where their texts stand.
#
# Needs espeak-ng, sox and python3; only for making the clips, nothing at run time uses them.
# One line of the table: sentence|language|espeak voice|pitch|words per minute|text. The texts
# promise no more than the docstrings of fwai.domain.sentence.Sentence. Sound: raw mu-law, mono,
# 16 kHz, peak -3 dBFS, 30 ms of silence at both ends and no pause inside longer than 300 ms.
set -eu
cd "$(dirname "$0")/../src/fwai/calls/sentences"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat > "$work/table" <<'TABLE'
one_moment|en|en-us+Annie|62|175|One moment, please.
connecting|en|en-us+Annie|62|175|Sorry, I cannot go on right now. I am connecting you to a person.
leave_message|en|en-us+Annie|62|175|Sorry, I cannot go on right now. Please speak after the tone, and we will call you back.
message_kept|en|en-us+Annie|62|175|Thank you. Your message is saved, and we will call you back. Goodbye.
apology|en|en-us+Annie|62|175|Sorry, I cannot go on right now. Please call again later. Goodbye.
line_broke|en|en-us+Annie|62|175|Sorry, the line was interrupted. It is back now.
one_moment|hi|hi+Annie|62|175|कृपया एक क्षण रुकिए।
connecting|hi|hi+Annie|62|175|क्षमा कीजिए, अभी आगे बात नहीं हो पा रही है। आपको एक सहकर्मी से जोड़ा जा रहा है।
leave_message|hi|hi+Annie|62|175|क्षमा कीजिए, अभी आगे बात नहीं हो पा रही है। कृपया टोन के बाद बोलिए, हम आपको वापस कॉल करेंगे।
message_kept|hi|hi+Annie|62|175|धन्यवाद। आपका संदेश रख लिया गया है, हम आपको वापस कॉल करेंगे। नमस्ते।
apology|hi|hi+Annie|62|175|क्षमा कीजिए, अभी आगे बात नहीं हो पा रही है। कृपया बाद में फिर कॉल कीजिए। नमस्ते।
line_broke|hi|hi+Annie|62|175|क्षमा कीजिए, लाइन टूट गई थी। अब फिर जुड़ गई है।
TABLE

rm -f ./*.ulaw
while IFS='|' read -r sentence language voice pitch speed text; do
    espeak-ng -v "$voice" -p "$pitch" -s "$speed" -w "$work/said.wav" -- "$text"
    # Trim both ends (the file is turned round for the second), shorten pauses, pad, normalise.
    sox "$work/said.wav" -r 16000 "$work/trimmed.wav" gain -6 highpass 100 gain -n -3 \
        silence -l 1 0.02 0.6% -1 0.3 0.6% \
        reverse silence 1 0.02 0.6% reverse pad 0.03 0.03 gain -n -3
    sox "$work/trimmed.wav" -t raw -r 16000 -c 1 -e mu-law "$sentence.$language.ulaw"
    printf '%s|%s|%s|%s\n' "$sentence" "$language" "$(wc -c < "$sentence.$language.ulaw")" "$text"
done < "$work/table" > "$work/made"

python3 - "$work/made" > sentences.json <<'PYTHON'
import json, sys
clips = []
for line in open(sys.argv[1], encoding="utf-8"):
    sentence, language, size, text = line.rstrip("\n").split("|", 3)
    clips.append(dict(sentence=sentence, language=language, text=text, duration_ms=int(size) // 16))
print(json.dumps(clips, ensure_ascii=False, indent=1))
PYTHON
du -cb ./*.ulaw | tail -n 1
