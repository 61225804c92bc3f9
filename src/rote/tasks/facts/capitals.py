"""Sixty countries and their capitals, as everybody can look them up; each name is ASCII."""

_LIST = """
France: Paris
Germany: Berlin
Italy: Rome
Spain: Madrid
Portugal: Lisbon
Greece: Athens
Norway: Oslo
Sweden: Stockholm
Finland: Helsinki
Denmark: Copenhagen
Iceland: Reykjavik
Ireland: Dublin
Poland: Warsaw
Austria: Vienna
Hungary: Budapest
Romania: Bucharest
Bulgaria: Sofia
Croatia: Zagreb
Serbia: Belgrade
Albania: Tirana
Latvia: Riga
Lithuania: Vilnius
Estonia: Tallinn
Turkey: Ankara
Egypt: Cairo
Kenya: Nairobi
Ghana: Accra
Nigeria: Abuja
Ethiopia: Addis Ababa
Morocco: Rabat
Tunisia: Tunis
Algeria: Algiers
Senegal: Dakar
Uganda: Kampala
Zambia: Lusaka
Zimbabwe: Harare
Angola: Luanda
Japan: Tokyo
China: Beijing
India: New Delhi
Nepal: Kathmandu
Thailand: Bangkok
Vietnam: Hanoi
Mongolia: Ulaanbaatar
Canada: Ottawa
Mexico: Mexico City
Cuba: Havana
Peru: Lima
Brazil: Brasilia
Argentina: Buenos Aires
Chile: Santiago
Uruguay: Montevideo
Paraguay: Asuncion
Ecuador: Quito
Colombia: Bogota
Venezuela: Caracas
Jamaica: Kingston
Jordan: Amman
Iraq: Baghdad
Australia: Canberra
"""

CAPITALS = tuple(
    (country, capital)
    for country, capital in (line.split(": ") for line in _LIST.strip().splitlines())
)
