"""Invented secrets of known kinds, and harmless texts that resemble them.

The secrets are put together here, so that secret scanners don't report them.
"""

from __future__ import annotations

import base64
import json
import random
import string

__all__ = ["HARMLESS", "SECRETS"]

_random = random.Random(17)


def _some(length: int, alphabet: str = string.ascii_letters + string.digits) -> str:
    return "".join(_random.choices(alphabet, k=length))


def _hex(length: int) -> str:
    return _some(length, "0123456789abcdef")


def _upper(length: int) -> str:
    return _some(length, string.ascii_uppercase + "234567")


def _base64(text: str | bytes) -> str:
    raw = text.encode() if isinstance(text, str) else text
    return base64.b64encode(raw).decode()


def _jwt() -> str:
    parts = json.dumps({"alg": "HS256", "typ": "JWT"}), json.dumps({"sub": "1234567890"})
    return ".".join([*(_base64(part).rstrip("=") for part in parts), _some(43)])


_PEM = _base64(_some(120))

SECRETS = {
    # What the secret is: the text around it, and the secret itself.
    "1Password": ("{}", "ops_" + "eyJ" + _some(260)),
    "Anthropic": ("using {}", "sk-" + "ant-api03-" + _some(93) + "AA"),
    "AWS id": ("id {}, region us-east-1", "AKIA" + _upper(16)),
    "AWS key": ("aws_secret_access_key = {}", _some(40, string.ascii_letters + "0123456789/+")),
    "Azure storage": ("AccountName=a;AccountKey={};X=1", _base64(_some(64))),
    "Azure signed URL": ("https://a.blob.core.windows.net/c?sv=1&sig={}", _some(43) + "%3D"),
    "Cloudflare": ("CLOUDFLARE_API_KEY={}", _hex(37)),
    "Cohere": ("CO_API_KEY: {}", _some(40)),
    "ClearML": ("CLEARML_API_SECRET_KEY={}", _some(50)),
    "Comet": ("export COMET_API_KEY={}", _some(25)),
    "Databricks": ("databricks at {}", "dapi" + _hex(32)),
    "DigitalOcean": ("{} (droplet)", "dop_" + "v1_" + _hex(64)),
    "Discord webhook": ("https://discord.com/api/webhooks/{}", "123456789012345678/" + _some(68)),
    "Docker": ("docker login -p {}", "dckr_" + "pat_" + _some(27)),
    "Fireworks": ("key is {}", "fw_" + "3Z" + _some(22)),
    "GCP": ("?key={}&x=1", "AIza" + _some(35)),
    "GitHub": ("remote: {}", "ghp_" + _some(36)),
    "GitHub fine": ("token {} expired", "github_" + "pat_" + _some(22) + "_" + _some(59)),
    "GitHub in URL": ("git clone https://{}@github.com/o/r", "x-access-token:" + _some(40)),
    "GitLab": ("({})", "glpat-" + _some(20)),
    "Google OAuth": ("'{}'", "ya29." + _some(60)),
    "Google client": ("client_secret: {}", "GOCSPX-" + _some(28)),
    "Grafana": ("[{}]", "glsa_" + _some(32) + "_" + _hex(8)),
    "Groq": ("<{}>", "gsk_" + _some(52)),
    "Heroku": ("HEROKU_API_KEY={}", "-".join(map(_hex, (8, 4, 4, 4, 12)))),
    "Hugging Face": ("{},", "hf_" + _some(34, string.ascii_letters)),
    "JSON web token": ("cookie {};", _jwt()),
    "LangSmith": ("tracing to {}.", "lsv2_" + "pt_" + _hex(32) + "_" + _hex(10)),
    "Linear": ("{}", "lin_" + "api_" + _some(40)),
    "Mailgun": ("mail by {}", "key-" + _hex(32)),
    "Mistral": ("MISTRAL_API_KEY='{}'", _some(32)),
    "MongoDB": ("mongodb+srv://{}@cluster0.mongodb.net/db", "me:" + _some(14)),
    "Neptune": ('NEPTUNE_API_TOKEN="{}"', _base64(json.dumps({"api_address": _some(30)}))),
    "New Relic": ("new_relic = {}", "NRAK-" + _upper(27)),
    "Notion": ("with {}", "ntn_" + _some(11, string.digits) + _some(35)),
    "npm": ("//registry.npmjs.org/:_authToken={}", "npm_" + _some(36)),
    "NVIDIA": ("NGC {}", "nvapi-" + _some(64)),
    "OpenAI": (
        "Incorrect API key provided: {}.",
        "sk-" + "proj-" + _some(74) + "T3BlbkFJ" + _some(74),
    ),
    "OpenAI old": ("{}", "sk-" + _some(20) + "T3BlbkFJ" + _some(20)),
    "OpenRouter": ("llm({})", "sk-" + "or-v1-" + _hex(64)),
    "option": ("python train.py --hf-token {} --lr 1e-5", _some(20)),
    "password": ("password={}", "hunter" + "22"),
    "password in JSON": ('{{"user": "me", "password": "{}"}}', "let" + "mein!"),
    "password in repr": ("Config(password='{}', n=1)", "correct " + "horse"),
    "Perplexity": ("{}", "pplx-" + _some(48)),
    "Postgres": ("postgresql+psycopg://{}@db:5432/x", "me:" + "p%40ss"),
    "private key": (
        "key:\n{}\n",
        f"-----BEGIN RSA {'PRIVATE'} KEY-----\n{_PEM}\n-----END RSA {'PRIVATE'} KEY-----",
    ),
    "PyPI": ("TWINE_PASSWORD={}", "pypi-" + "AgEIcHlwaS5vcmc" + _some(70)),
    "Redis": ("redis://{}@cache:6379/0", ":" + _some(12)),
    "Replicate": ("{}", "r8_" + _some(37)),
    "SendGrid": ("{}", "SG." + _some(22) + "." + _some(43)),
    "Sentry": ("SENTRY_DSN={}", "https://" + _hex(32) + "@o1.ingest.sentry.io/2"),
    "Slack": ("{}", "xoxb-" + "123456789012-123456789012-" + _some(24)),
    "Slack webhook": (
        "to {}",
        "https://hooks.slack.com/services/T" + _upper(8) + "/B" + _upper(8) + "/" + _some(24),
    ),
    "Stripe": ("{}", "sk_" + "live_" + _some(24)),
    "Telegram": ("https://api.telegram.org/bot{}/sendMessage", "123456789:" + "AA" + _some(33)),
    "Together": ("{}", "tgp_" + "v1_" + _some(43)),
    "Twilio": ("twilio {}", "SK" + _hex(32)),
    "W&B": ("WANDB_API_KEY={}", _hex(40)),
    "xAI": ("{}", "xai-" + _some(80)),
    "Tailscale": ("up --authkey {}", "tskey-" + "auth-" + _some(17) + "-" + _some(32)),
    "Supabase": ("({})", "sb_" + "secret_" + _some(22) + "_" + _some(8)),
    "HF OAuth": ("{}", "hf_" + "oauth_" + _some(60)),
    "Browserbase": ("{}", "bb_" + "live_" + _some(27)),
    "Netlify": ("{}", "nfp_" + _some(36)),
    "Fly": ("{}", "fm2_" + _base64(_some(60))),
    "Sentry token": ("{}", "sntrys_" + _base64(_some(60))),
    "Firecrawl": ("{}", "fc-" + _hex(32)),
    "E2B": ("{}", "e2b_" + _hex(40)),
    "Mapbox": ("{}", "sk." + "eyJ1" + _some(80) + "." + _some(22)),
    "Dropbox": ("{}", "sl." + _some(140)),
    "Okta": ("Authorization: SSWS {}", "00" + _some(40)),
    "Bitbucket": ("{}", "ATBB" + _some(32)),
    "Alibaba": ("{}", "LTAI" + "5t" + _some(18)),
    "Zapier": ("https://hooks.zapier.com/hooks/catch/{}", "123456/" + _some(7)),
    "Railway": ("RAILWAY_TOKEN={}", "-".join(map(_hex, (8, 4, 4, 4, 12)))),
    "Datadog": ("DD-APPLICATION-KEY: {}", _hex(40)),
    "Pushover": ("PUSHOVER_USER_KEY={}", _some(30)),
    "PASS": ("PASS={}", "x7" + _some(12)),
    "docker login": ("docker login -u me -p {} ghcr.io", "hunter" + "22"),
    "sshpass": ("sshpass -p {} ssh me@host", "hunter" + "22"),
    "mysql": ("mysql -u root -p{} db", "hunter" + "22"),
    "set command": ("vastai set api-key {}", _hex(64)),
    "setx": ("setx COMET_API_KEY {}", _some(25)),
    "XML": ("<password>{}</password>", "hunter" + "22"),
    "pydantic": ("Settings(key=SecretStr('{}'))", _some(20)),
    "YAML block": ("password: >-\n  {}\n", _some(20)),
    "arrow": ("api_key -> {}", _some(30)),
    "was": ("Your API key was: {}", _some(32)),
    "German": ("Passwort: {}", "geheim-" + _some(8)),
    "French": ("mot de passe : {}", "secret-" + _some(8)),
    "Chinese": ("\u5bc6\u7801\uff1a{}", "mima-" + _some(8)),
    "SQL": ("User 'root'@'%' identified by '{}'", "hunter" + "22"),
    "in parentheses": ("password ({}) rejected", "hunter" + "22"),
    "hexadecimal": ("encryption key {}", _hex(64)),
    "first argument": ("cohere.Client('{}')", _some(40)),
    "Fernet": ("Fernet(b'{}')", _base64(_some(32))),
    "cookies": ('{{"cookies": {{"session": "{}"}}}}', _some(30)),
    "zip": ("zip -r -P {} a.zip .", "hunter" + "22"),
    "openssl": ("openssl rsa -in k -passin pass:{}", "hunter" + "22"),
    "smbclient": ("smbclient -U dom/me%{} //h/s", "hunter" + "22"),
    "aws configure": ("aws configure set aws_secret_access_key {}", _some(40)),
    "echo": ("echo {} | sudo -S apt update", "hunter" + "22"),
    "pw": ("pw: {}", "hunter" + "22"),
    "bearer field": ("bearer={}", _some(40)),
    "mathematical arrow": ("password \u2192 {}", "hunter" + "22"),
    "YAML": ("db:\n  password: {}\n  port: 1", "let" + "mein"),
    "item of a mapping": ("os.environ['HF_TOKEN'] = '{}'", _some(30)),
    "setdefault": ("os.environ.setdefault('HF_TOKEN', '{}')", _some(30)),
    "pieces": ("token = 'ghp_' + '{}'", _some(36)),
    "fish": ("set -gx OPENAI_API_KEY {}", _some(40)),
    "curl": ("curl --user admin:{} https://host/x", "hunter" + "22"),
    "requests": ("requests.get(url, auth=('me', '{}'))", "hunter" + "22"),
    "webhook in general": (
        "https://open.feishu.cn/open-apis/bot/v2/hook/{}",
        "-".join(map(_hex, (8, 4, 4, 4, 12))),
    ),
    "key in a URL": (
        "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key={}",
        "-".join(map(_hex, (8, 4, 4, 4, 12))),
    ),
    "slash in a password": ("sftp://me:{}@host", "ab/" + _some(7)),
    "URL with a token as user": ("--extra-index-url https://{}:@host/x", _some(20)),
    "Oracle": ("jdbc:oracle:thin:scott/{}@//host:1521/s", "tiger" + _some(4)),
    "pydantic error": ("api_key\n  Input should be int [input_value='{}']", _some(30)),
    "Kaggle": ('{{"username":"me","key":"{}"}}', _hex(32)),
    "key of a user": ("{{'user': 'me', 'key': '{}'}}", _some(24)),
    "named value": ('{{"name": "DB_PASSWORD", "value": "{}"}}', "hunter" + "22"),
    "named value in YAML": ("- name: API_TOKEN\n  value: {}", _some(30)),
    "URL without a scheme": ("rsync me:{}@store.example.org:/data", _some(16)),
    "escaped name": ('{{"contrase\\u00f1a": "{}"}}', "hunter" + "22"),
    "JSON in JSON": ('"{{\\"\\\\u5bc6\\\\u7801\\": \\"{}\\"}}"', "hunter" + "22"),
    "authtoken": ("ngrok config add-authtoken {}", _some(40)),
    "become": ("ansible_become_pass: {}", "hunter" + "22"),
    "diff of YAML": ("@@ -1 +1 @@\n+password: {}\n", "let" + "mein"),
    "diff of an environment": ("+  - name: DB_PASSWORD\n+    value: {}", "hunter" + "22"),
    "Heroku in general": ("logged in with {}", "HRKU-" + _some(36)),
    "login": ("cargo login {}", _some(48)),
    "class of a key": ("Auth.AuthApiKey('{}')", _some(36)),
    "set to": ("The password was set to {}", "Gr4nite" + "_Falc0n"),
    "pass in quotes": ("VPN_PASS '{}'", "Gr4nite" + "_Falc0n"),
    "prompt": ("Password for 'me': {}", "hunter" + "22"),
    "Italian": ("parola d'ordine: {}", "segreto-" + _some(8)),
    "OCI": ("pass_phrase={}", _some(12)),
    "Linear OAuth": ("{}", "lin_" + "oauth_" + _hex(64)),
    "bearer": ("Authorization: Bearer {}", _some(30)),
    "basic": ("{{'Authorization': 'Basic {}'}}", _base64("me:" + _some(8))),
    "cookie": ("Set-Cookie: {}", "session=" + _some(32)),
    "query": ("GET /x?access_token={}&n=1", _some(24)),
}

_COMMIT = "9fceb02d0ae598e95dc970b74767f19372d61af8"
_UUID = "123e4567-e89b-12d3-a456-426614174000"
_PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
    "+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)

HARMLESS = f"""\
Set the password to something strong; proxy_pass http://127.0.0.1:8000; low_pass (12 dB)
login node: login gpu-node-with-a-very-long-name-12; dict.get_key("advantages_of_the_group_1")
{{"user": "What is 2+2?", "key": "model.layers.12.mlp"}} {{"username": "me", "key": "train/loss"}}
{{"name": "token", "value": "Paris"}} name: key, value: 0.25
git@github.com:huggingface/trl.git step:reward@0.5:0.93
image:24.05-py3@sha256:2c26 p99:latency@8xH100:13
vllm:Qwen2.5-0.5B@node1.local:8000 rsync node1:/data/ckpt node2:/data 12:30@noon
The password: field must not be empty
Forgot your password? The key: work hard. Bearer of bad news.
What is the secret: practice, practice, practice
sk-learn-is-a-package-name, risk-adjusted, desk-bound-and-other-long-words
sk-learn-pipeline-v2-final-model-3-and-more
task-oriented-dialogue-with-20-turns sk-1
Checked out {_COMMIT}
git_commit={_COMMIT} branch=main
commit: {_COMMIT}
cache key: {_COMMIT}
key={_UUID}
primary_key={_UUID}, foreign_key: 17
run {_UUID} started
request_id={_UUID} trace_id={_COMMIT[:32]}
data:image/png;base64,{_PNG}
image={_PNG}
sha256:{_COMMIT}{_COMMIT[:24]}
model google/gemma-3-1b-it, Qwen/Qwen2.5-0.5B-Instruct, meta-llama/Llama-3.1-8B-Instruct
meta-llama/Meta-Llama-3.1-405B-Instruct-FP8 deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B
unsloth/gemma-3n-E4B-it-unsloth-bnb-4bit facebook/opt-125m cohere/command-r7b-12-2024
num_tokens=50000 max_new_tokens: 128 tokens_per_second=1234.56789
loss per token: 0.123456, time per token: 12.5ms, tokens: [1, 2, 3]
next token: Paris; token='hello', token = 'antidisestablishment'
{{"token": "Hello", "logprob": -0.5}} {{"token": " the", "bytes": [32, 116]}}
eos_token=<|im_end|> pad_token: '<pad>' bos_token="<s>" unk_token=[UNK]
The tokenizer has new PAD/BOS/EOS tokens: {{'eos_token_id': 106, 'pad_token': '<pad>'}}
Setting `pad_token_id` to `eos_token_id`:2 for open-end generation.
tokenizer=AutoTokenizer.from_pretrained('google/gemma-3-1b-it')
password = os.environ["PASSWORD"]
login(token=token, password=self.password, api_key=get_key())
def connect(password: str, api_key: str | None = None, secret: Optional[str] = None):
token = tokenizer.decode(ids[0])
api_key=None, secret=False, hub_token='<HUB_TOKEN>', password=$PASSWORD, token={{token}}
api_key = "${{OPENAI_API_KEY}}" and password: ******** and secret=...
http://host:8080/path?x=a@b see me@host.org and 12:30@noon
https://example.org/a/b?c=d#e git@github.com:owner/name.git ssh://git@host/x
{{"a":"http://host","b":"x@y"}}
hf_transfer, hf_hub_download, HF_HUB_ENABLE_HF_TRANSFER=1, ghp, AKIA, eyJ, gl-matrix
/home/me/.cache/huggingface/hub/models--google--gemma-3-1b-it/snapshots/{_COMMIT}/config.json
private_key=/etc/ssl/private/key.pem ssh_key: ~/.ssh/id_rsa.pub
PWD=/home/me/project OLDPWD=/tmp
C:\\Users\\me\\AppData\\Local\\Temp\\tmp8f3k2x.txt
Author: me, authority=1, tokenization: fast, secretary=Ann, authenticated: yes
auth: required, authorization: none, credentials: see the manual
Basic arithmetic and bearer bonds, basic training, Bearer internationalization
f(x) = 2 * x  # secret sauce
\\frac{{\\partial L}}{{\\partial \\theta}}=\\sum_{{i=1}}^{{n}}\\nabla_\\theta\\log\\pi_\\theta(a|s)
$E = mc^2$, \\alpha_{{0}} := \\beta^{{-1}}, $p(x \\mid y) \\propto p(y \\mid x)$
for key, value in sorted(d.items()): print(f"{{key}}: {{value}}")
KeyError: 'rewards/total' keyboard: qwerty monkey=banana turkey: sandwich
torch==2.13.0+cu126 nvidia-cublas-cu12==12.6.4.1 sha1:2fd4e1c67a2d28fc
CUDA out of memory. Tried to allocate 2.00 GiB (GPU 0; 79.15 GiB total capacity)
2026-11-30T15:02:36.123456Z step 1200 reward 0.4512345678901 kl 1.2345e-05
The pass: 3 of 4; forward_pass=0.012345678 first_pass: 12345678
cookie: a small sweet cake. cookies: enabled
dict_keys(['loss', 'reward']) sort_key=step partition_key: dataset0001
password: !vault |
pw=0.5 pw: 1e-3 pos_pw=2
key 9fceb02d0ae598e95dc970b74767f19372d61af8 token CamelCaseAttentionLayerNorm2D
echo done | tee log.txt; zip -r a.zip logs; openssl version; ldd /bin/sh
PASSWORD: REQUIRED BY THE SERVER password: field
fields = ["api_key", "password"] ("secret", "optional_value_of_many_words")
https://github.com/owner/name/blob/main/hooks/pre-commit-config-for-all
https://docs.example.org/webhooks/receiving-events-from-a-server http://host:8080/a/b@c
curl -u me http://host:80/x auth=("me", password)
Passwords are like underwear: change them often.
The access token expired; please log in again.
jwt: JSON web token, dsn: data source name, pat: to touch gently
curl -H "Accept: application/json" https://api.example.org/v1/models
discord: 12 users online; slack: team; telegram: bot started; asana: yoga
S. Author et al. s.t. x > 0, e.g. vectors.of.words.without.numbers
AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA 00000000000000000000000000
lr_scheduler=cosine_with_restarts_and_warmup_2 optim=adamw_torch_fused
tool call call_9aBcD3fGh1JkLmN0pQrStUvW returned, id=chatcmpl-9aBcD3fGh1JkLmN0pQrStUvWxYz12
toolu_01A09q90qw90lq917835lq9 file-9aBcD3fGh1JkLmN0pQrStU run_9aBcD3fGh1JkLmN0pQrStUvW
model_key-LlamaForCausalLM2024WithValueHead sk_model_RandomForestClassifier100Trees
kv_key_LayerNormWeightDecay2Float16 prod-eu-west-cluster-node-0123456789abcdef
desk-RTX4090Workstation01 monkey_patch_for_LlamaAttention4Dmask
missing key: base_model.model.model.layers.31.mlp.gate_proj.lora_A.default.weight
cache-{_COMMIT[:16]}.arrow sha256-{_COMMIT}{_COMMIT[:24]} key_{_COMMIT[:8]}.py
mysql -u root -p mydb; docker login -u me --password-stdin; redis-cli -p 6379
pass=3 of 4, pass=True, pass@1=0.75 PASS=1; set api key in the settings
the password was reset; the token was: Paris; the secret was: none; key -> value
user_key=alice write_key=users/1 app_key: ctrl+c idempotency_key={_UUID}
Passwort vergessen? Mot de passe oublié? <token>Hello</token> <key>value</key>
public_key: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ2b7Qm9Zk me@host
https://drive.google.com/file/d/1aBcD3fGh1JkLmN0pQrStUvWxYz12345/view""".splitlines()
