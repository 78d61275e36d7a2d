// Times in the reader's own zone, also Slack's <!date^…> tokens (docs.slack.dev/messaging/formatting-message-text).

const words = (options) => (date) => new Intl.DateTimeFormat(undefined, options).format(date);

export const time = words({ hour: "numeric", minute: "2-digit" });
const longDay = words({ year: "numeric", month: "long", day: "numeric" });
const shortDay = words({ year: "numeric", month: "short", day: "numeric" });

function daysAgo(date) {
  const midnight = (day) => new Date(day.getFullYear(), day.getMonth(), day.getDate()).getTime();
  return Math.round((midnight(new Date()) - midnight(date)) / 86_400_000);
}

function pretty(plain, { capital = false } = {}) {
  return (date) => {
    const near = { "-1": "tomorrow", 0: "today", 1: "yesterday" }[daysAgo(date)];
    if (!near) return plain(date);
    return capital ? near[0].toUpperCase() + near.slice(1) : near;
  };
}

export const dayTitle = pretty(words({ weekday: "long", month: "long", day: "numeric" }), { capital: true });

function ago(date) {
  const seconds = Math.round((date - Date.now()) / 1000);
  const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
  for (const [unit, size] of [["day", 86_400], ["hour", 3600], ["minute", 60]]) {
    if (Math.abs(seconds) >= size) return relative.format(Math.round(seconds / size), unit);
  }
  return relative.format(seconds, "second");
}

const TOKENS = {
  date_num: words({ year: "numeric", month: "2-digit", day: "2-digit" }),
  date_slash: words({ year: "numeric", month: "2-digit", day: "2-digit" }),
  date: longDay,
  date_long: words({ weekday: "long", year: "numeric", month: "long", day: "numeric" }),
  date_short: shortDay,
  date_pretty: pretty(longDay),
  date_long_pretty: pretty(words({ weekday: "long", year: "numeric", month: "long", day: "numeric" })),
  date_short_pretty: pretty(shortDay),
  day_divider_pretty: pretty(words({ weekday: "long", month: "long", day: "numeric" })),
  time,
  time_secs: words({ hour: "numeric", minute: "2-digit", second: "2-digit" }),
  ago,
};

export function dated(seconds, format, fallback) {
  const date = new Date(Number(seconds) * 1000);
  if (Number.isNaN(date.getTime())) return fallback;
  return format.replace(/\{(\w+)\}/g, (whole, token) => (TOKENS[token] ? TOKENS[token](date) : whole));
}
