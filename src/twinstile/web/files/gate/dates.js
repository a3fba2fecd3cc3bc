// @ts-check
/**
 * Date-times of CertLogic, as `policy/certlogic_dates.py` reads them: to the millisecond, in the
 * years 1 to 9999. What cannot be read is a RangeError, whose message never quotes the text.
 */

/** The largest offset in any unit. */
export const MAX_AMOUNT = 100_000_000;
export const UNITS = ["year", "month", "day", "hour"];

const DATE_TIME =
  /^([0-9]{4})-([0-9]{2})-([0-9]{2})T([01][0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9])(\.[0-9]+)?(?:Z|([+-])(2[0-3]|[01]?[0-9])(?::?([0-5][0-9]))?)?$/;
const DAY = /^([0-9]{4})-([0-9]{2})-([0-9]{2})$/;
const PARTIAL = /^([0-9]{4})(?:-([0-9]{2}))?$/;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** @param {number} year @param {number} month from 0 @param {number} day */
function midnight(year, month, day) {
  const moment = new Date(0);
  moment.setUTCFullYear(year, month, day); // Date.UTC takes the years below 100 for 19xx
  return moment;
}

/** @param {Date} moment */
function bounded(moment) {
  const year = moment.getUTCFullYear();
  if (!(year >= 1 && year <= 9999)) throw new RangeError("outside the calendar");
  return moment;
}

/** @param {number} year @param {number} month from 1 @param {number} day */
function calendarDay(year, month, day) {
  const moment = bounded(midnight(year, month - 1, day));
  if (moment.getUTCMonth() !== month - 1 || moment.getUTCDate() !== day) {
    throw new RangeError("no such day");
  }
  return moment;
}

/**
 * Any format `plusTime` allows; no offset means UTC, a partial date its last day.
 * @param {string} text
 */
export function dateTime(text) {
  const matched = DATE_TIME.exec(text);
  if (matched === null) return dateOfBirth(text);
  const [, year, month, day, hour, minute, second, fraction, sign, hours, minutes] = matched;
  const start = calendarDay(Number(year), Number(month), Number(day)).getTime();
  const milliseconds = fraction ? Number(fraction.slice(1, 4).padEnd(3, "0")) : 0;
  const offset = sign ? (Number(hours) * 60 + Number(minutes ?? 0)) * 60_000 : 0;
  const local = start + Number(hour) * HOUR_MS + Number(minute) * 60_000 + Number(second) * 1000;
  return bounded(new Date(local + milliseconds + (sign === "+" ? -offset : offset)));
}

/**
 * YYYY, YYYY-MM or YYYY-MM-DD as midnight UTC of the last day it can mean.
 * @param {string} text
 */
export function dateOfBirth(text) {
  const whole = DAY.exec(text);
  if (whole) return calendarDay(Number(whole[1]), Number(whole[2]), Number(whole[3]));
  const matched = PARTIAL.exec(text);
  if (matched === null) throw new RangeError("not a date or date-time in an allowed format");
  const year = Number(matched[1]);
  const month = Number(matched[2] ?? 12);
  calendarDay(year, month, 1);
  return midnight(year, month, 0);
}

/**
 * The addition of `amount` units. A day the target month lacks runs over into the next one.
 * @param {string} unit @param {number} amount @returns {(moment: Date) => Date}
 */
export function shift(unit, amount) {
  if (unit === "day" || unit === "hour") {
    const span = amount * (unit === "day" ? DAY_MS : HOUR_MS);
    return (moment) => bounded(new Date(moment.getTime() + span));
  }
  const months = unit === "year" ? 12 * amount : amount;
  return (moment) => {
    const count = 12 * moment.getUTCFullYear() + moment.getUTCMonth() + months;
    const first = bounded(midnight(Math.floor(count / 12), count - 12 * Math.floor(count / 12), 1));
    const within = moment.getTime() % DAY_MS;
    const clock = within < 0 ? within + DAY_MS : within;
    return bounded(new Date(first.getTime() + (moment.getUTCDate() - 1) * DAY_MS + clock));
  };
}
