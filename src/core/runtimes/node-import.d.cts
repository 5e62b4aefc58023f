/** The text of the script. */
declare const text: string;
export default text;
