#!/bin/sh
# Speak the simulators' phrases again: src/fwai/simulator/common/phrases/*.ulaw and clips.json.
#
# Needs espeak-ng, sox and python3; only for making the clips, nothing at run time uses them.
# One line of the table: name|role|language|espeak voice|pitch|words per minute|text.
# espeak-ng has no en-IN voice, so the English caller speaks received pronunciation and is
# labelled en-IN because that is what the scenario plays. Sound: raw mu-law, mono, 16 kHz,
# peak -3 dBFS, 30 ms of silence at both ends and no pause inside longer than 220 ms, so that
# no endpointing setting in use (300 ms and more) cuts a phrase in two.
set -eu
cd "$(dirname "$0")/../src/fwai/simulator/common/phrases"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat > "$work/table" <<'TABLE'
greeting|agent|en-IN|en-us+Annie|62|200|Hello, this is Asha, the AI assistant of FWAI Academy. How can I help you?
courses_answer|agent|en-IN|en-us+Annie|62|200|We have three courses. Spoken English runs for two months, office software for three months, and web design for half a year. You can take them in the evening or on the weekend.
price_answer|agent|en-IN|en-us+Annie|62|185|It costs four thousand rupees a month, starting on Monday.
ai_answer|agent|en-IN|en-us+Annie|62|185|I am an AI assistant, not a person.
sms_sent|agent|en-IN|en-us+Annie|62|185|I have sent you the details by text message.
booking_confirmed|agent|en-IN|en-us+Annie|62|185|Your demo is booked for tomorrow at five.
goodbye_answer|agent|en-IN|en-us+Annie|62|185|Thank you for calling. Goodbye!
hindi_answer|agent|hi-IN|hi+Annie|62|200|जी हाँ, हमारा हिंदी कोर्स अगले सोमवार से शुरू होगा।
fallback|agent|en-IN|en-us+Annie|62|185|Sorry, could you say that again?
time_warning|agent|en-IN|en-us+Annie|62|185|We have half a minute left.
ask_courses|caller|en-IN|en-gb-x-rp+m3|38|160|Which courses do you offer?
barge_in|caller|en-IN|en-gb-x-rp+m3|38|190|Sorry, one moment. What does it cost?
ask_sms|caller|en-IN|en-gb-x-rp+m3|38|180|Please send me the details by SMS.
ask_ai|caller|en-IN|en-gb-x-rp+m3|38|145|Are you a real person?
book_demo|caller|en-IN|en-gb-x-rp+m3|38|185|I would like to book a demo tomorrow at five.
goodbye|caller|en-IN|en-gb-x-rp+m3|38|165|Thank you, that is all. Goodbye.
ask_hindi|caller|hi-IN|hi+m3|38|175|क्या आप हिंदी में पढ़ाते हैं?
hmm|caller|en-IN|en-gb-x-rp+m3|38|150|Hmm, all right.
TABLE

rm -f ./*.ulaw
while IFS='|' read -r name role language voice pitch speed text; do
    espeak-ng -v "$voice" -p "$pitch" -s "$speed" -w "$work/said.wav" -- "$text"
    # Trim both ends (the file is turned round for the second), shorten pauses, pad, normalise.
    sox "$work/said.wav" -r 16000 "$work/trimmed.wav" gain -6 highpass 100 gain -n -3 \
        silence -l 1 0.02 0.6% -1 0.22 0.6% \
        reverse silence 1 0.02 0.6% reverse pad 0.03 0.03 gain -n -3
    sox "$work/trimmed.wav" -t raw -r 16000 -c 1 -e mu-law "$name.ulaw"
    printf '%s|%s|%s|%s|%s\n' "$name" "$role" "$language" "$(wc -c < "$name.ulaw")" "$text"
done < "$work/table" > "$work/made"

python3 - "$work/made" > clips.json <<'PYTHON'
import json, sys
clips = []
for line in open(sys.argv[1], encoding="utf-8"):
    name, role, language, size, text = line.rstrip("\n").split("|", 4)
    clips.append(dict(name=name, role=role, language=language, text=text, duration_ms=int(size) // 16))
print(json.dumps(clips, ensure_ascii=False, indent=1))
PYTHON
du -cb ./*.ulaw | tail -n 1
