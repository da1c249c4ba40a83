/**
 * At most one call per `milliseconds`; the last value always arrives.
 * @template [T=void]
 * @param {number} milliseconds
 * @param {(value: T) => void} call
 * @returns {(value: T) => void}
 */
export function throttled(milliseconds, call) {
  let waiting = false;
  /** @type {{value: T}|null} */
  let pending = null;
  const rest = () => {
    if (!pending) {
      waiting = false;
      return;
    }
    const { value } = pending;
    pending = null;
    call(value);
    setTimeout(rest, milliseconds);
  };
  return (value) => {
    if (waiting) {
      pending = { value };
      return;
    }
    waiting = true;
    call(value);
    setTimeout(rest, milliseconds);
  };
}
